"""Figures for analysts: what is counted, how it is asked for, and how sure it is. It only reads."""
