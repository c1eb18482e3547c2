"""The Hugging Face Hub: where a model is, what is downloaded of it, and how one is published."""
