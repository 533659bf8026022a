"""Annotators: what a control model is shown, made of a picture without another model."""
