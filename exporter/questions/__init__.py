"""What people ask, answered: the store's rows read and handed to the pure part in `query`.

One module for each kind of question, each a class made from the pool of reading clients. The APIs
know them only as callables, so they know neither the store nor its SQL.
"""
