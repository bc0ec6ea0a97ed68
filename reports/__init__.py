"""Pure summaries of results: tables in, pages and text out."""
