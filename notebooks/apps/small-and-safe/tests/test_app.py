from app import app


def test_greeting() -> None:
    assert app.test_client().get("/").status_code == 200
