"""Flame graphs of cost, tokens and time: columns of spans in, trees out."""
