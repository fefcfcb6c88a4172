"""Takes validated policies of any dialect, gives one policy program (the IR)."""
