"""gesso paints with any Stable Diffusion checkpoint file: one file in, pictures out, offline."""
