"""One kind of drawing a file: results in, a picture for the page out."""
