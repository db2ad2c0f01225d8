"""Tests of the room that makes people."""
