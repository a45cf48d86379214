"""The room that talks to people: it turns what they ask into rows and shows them what the rows say."""
