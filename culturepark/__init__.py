"""Cross-cultural conversations between simulated people, distilled into traceable fine-tuning samples."""

__version__ = "0.1.0"
