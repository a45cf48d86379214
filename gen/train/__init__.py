"""How the tiny checkpoint was made: pictures, effects, training, export. Nothing here is needed to run flipbot."""
