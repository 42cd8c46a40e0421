"""The layers of an image, their files, and the bytes that a later layer hides."""
