"""What is measured of a model: losses of answers, multiple choice, speed. Plain functions over a loaded model."""
