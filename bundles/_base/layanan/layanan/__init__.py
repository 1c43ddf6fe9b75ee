"""What the service apps share: configuration, database, migrations, logs, login, uploads, pages.

An app is a `Service` value in `app/__init__.py`, routes in `app/web.py`, numbered SQL files in
`app/migrations/` and pages in `app/pages/`.
"""
