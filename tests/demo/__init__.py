"""Tests of what runs everything on one machine: `prorata demo`, `prorata up`, `prorata twin`."""
