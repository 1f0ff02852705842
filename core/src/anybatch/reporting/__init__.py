"""A run as one page to be read when it is over: `anybatch report`.

`rows` collects what is known of each job, `analysis` counts it, `charts` draws it, `page` writes
the HTML. Only `rows` reads files. Matplotlib and Jinja are an extra, `anybatch[report]`.
"""
