-- A role and a database of its own for every app in :databases, a JSON list of objects with
-- `database`, `user` and `password_file`. Contract: may run any number of times.
-- Statements with passwords must never reach the log, not even when they fail.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET client_min_messages = 'warning';

CREATE TEMPORARY TABLE wanted AS
SELECT database, "user", rtrim(pg_read_file(password_file), E' \r\n') AS password
FROM json_to_recordset(:'databases') AS w (database text, "user" text, password_file text);

DO $$
DECLARE
    bad text;
BEGIN
    SELECT string_agg("user", ', ') INTO bad FROM wanted WHERE coalesce(password, '') = '';
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'the password file of % is empty', bad;
    END IF;
END
$$;

SELECT format('CREATE ROLE %I LOGIN', "user") FROM wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = "user")
ORDER BY "user"
\gexec

SELECT format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD %L',
              "user", password)
FROM wanted
ORDER BY "user"
\gexec

SELECT format('CREATE DATABASE %I OWNER %I', database, "user") FROM wanted
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = database)
ORDER BY database
\gexec

-- Only the owner enters; what PUBLIC may do by default is taken away, everywhere.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
WHERE datallowconn
ORDER BY datname
\gexec

SELECT format('ALTER DATABASE %I OWNER TO %I', database, "user") FROM wanted
JOIN pg_database ON datname = database JOIN pg_roles ON pg_roles.oid = datdba
WHERE rolname <> "user"
ORDER BY database
\gexec
