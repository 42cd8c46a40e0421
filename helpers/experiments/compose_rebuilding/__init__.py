"""What `docker compose up` replaces with each of its flags, after each kind of change."""
