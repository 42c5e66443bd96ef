"""The version of this distribution, for both packages and for what they tell servers."""

__version__ = "5.0.0.dev0"
