CREATE TABLE complaints (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket       text NOT NULL UNIQUE,
    category     text NOT NULL,
    place        text NOT NULL,
    latitude     double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude    double precision CHECK (longitude BETWEEN -180 AND 180),
    description  text NOT NULL,
    name         text NOT NULL DEFAULT '',
    contact      text NOT NULL DEFAULT '',
    photo        text,
    photo_type   text,
    status       text NOT NULL DEFAULT 'baru' CHECK (status IN ('baru', 'diproses', 'selesai')),
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX complaints_by_status ON complaints (status, created_at DESC);

CREATE TABLE events (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    complaint_id  bigint NOT NULL REFERENCES complaints ON DELETE CASCADE,
    at            timestamptz NOT NULL DEFAULT now(),
    actor         text NOT NULL,
    status        text NOT NULL,
    answer        text NOT NULL DEFAULT ''
);
CREATE INDEX events_of_complaint ON events (complaint_id, id);
