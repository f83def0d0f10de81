"""A network compiled ahead of time, for any processor: objects, libraries, WebAssembly, a page."""
