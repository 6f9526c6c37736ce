# hello.py
from mergepoint import App

app = App("hello")

@app.query
def greet(name: str = "World") -> str:
    """Say hello to somebody."""
    return f"Hello, {name}!"
