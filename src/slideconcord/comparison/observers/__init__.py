"""How far observers agree, with one another, with themselves and with a model."""
