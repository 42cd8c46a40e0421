"""A live view of the engine's containers, images, volumes and networks, as Docker Desktop has."""
