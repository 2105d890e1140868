"""Tests of the model package, one file per module."""
