"""Denoiser and prompts become one denoise function."""
