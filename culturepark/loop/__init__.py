"""From rows to a verdict: trains adapters on rows and on controls, asks all of them, and says what difference it made.

Each step is what one public command does, and is not done again once it is done. There is no state beside the folder of
the loop and the store.
"""
