"""What a callback task is and how its facts become a timeline. Pure: no I/O, no clock, no SQL."""
