"""What trained models are used for: fine-tuning, generation, translation, probing."""
