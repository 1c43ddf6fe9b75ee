CREATE TABLE vacancies (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title        text NOT NULL,
    employer     text NOT NULL,
    sector       text NOT NULL,
    place        text NOT NULL,
    description  text NOT NULL,
    closes_on    date NOT NULL,
    closed       boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX vacancies_open ON vacancies (closes_on) WHERE NOT closed;

CREATE TABLE seekers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL UNIQUE,
    name        text NOT NULL,
    contact     text NOT NULL,
    education   text NOT NULL,
    skills      text NOT NULL,
    cv          text,
    cv_type     text,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE applications (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vacancy_id  bigint NOT NULL REFERENCES vacancies ON DELETE CASCADE,
    seeker_id   bigint NOT NULL REFERENCES seekers ON DELETE CASCADE,
    message     text NOT NULL DEFAULT '',
    status      text NOT NULL DEFAULT 'dikirim'
                CHECK (status IN ('dikirim', 'dipanggil', 'diterima', 'ditolak')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (vacancy_id, seeker_id)
);
CREATE INDEX applications_of_seeker ON applications (seeker_id, id);
