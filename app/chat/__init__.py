"""The conversation on screen: transcript, composer and the presenter that moves them."""
