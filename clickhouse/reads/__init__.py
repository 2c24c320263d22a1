"""The reading side of the store: what people ask for, within limits.

The questions are files below sql/. Values go in as bound parameters; the marks between /* and */
stand for lists of columns, which come from the schema, and for conditions (conditions.py). Every
answer has a limit of rows, of time and of memory, and one that is cut off is an error or says so,
never a wrong number.
"""
