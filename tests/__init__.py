"""Tests of Pneumoscope."""
