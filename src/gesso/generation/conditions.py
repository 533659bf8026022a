"""Conditions: a request's words, sizes and pictures as one model is told of them."""
