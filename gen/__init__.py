"""Makes video: a plan and a picture go in, sections come out. Knows no chat; only dispatch.py knows the database."""
