CREATE TABLE applications (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number       text NOT NULL UNIQUE,
    permit_type  text NOT NULL,
    permit_name  text NOT NULL,  -- as it was called on that day; the list may change
    name         text NOT NULL,
    contact      text NOT NULL,
    address      text NOT NULL,
    description  text NOT NULL,
    status       text NOT NULL DEFAULT 'diajukan'
                 CHECK (status IN ('diajukan', 'disetujui', 'ditolak')),
    reason       text NOT NULL DEFAULT '',
    decided_by   text,
    decided_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX applications_by_status ON applications (status, created_at DESC);

CREATE TABLE documents (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id  bigint NOT NULL REFERENCES applications ON DELETE CASCADE,
    stored_name     text NOT NULL,
    media_type      text NOT NULL,
    size_bytes      bigint NOT NULL
);
CREATE INDEX documents_of_application ON documents (application_id, id);
