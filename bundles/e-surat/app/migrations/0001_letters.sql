-- One row a year: the last agenda number that was given.
CREATE TABLE agenda (
    year  integer PRIMARY KEY,
    last  integer NOT NULL
);

CREATE TABLE letters (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agenda       text NOT NULL UNIQUE,
    number       text NOT NULL,
    sender       text NOT NULL,
    subject      text NOT NULL,
    letter_date  date NOT NULL,
    received_on  date NOT NULL,
    urgency      text NOT NULL CHECK (urgency IN ('biasa', 'segera')),
    scan         text,
    scan_type    text,
    status       text NOT NULL DEFAULT 'masuk'
                 CHECK (status IN ('masuk', 'didisposisikan', 'selesai')),
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX letters_by_status ON letters (status, id DESC);

CREATE TABLE dispositions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter_id    bigint NOT NULL REFERENCES letters ON DELETE CASCADE,
    unit         text NOT NULL,
    person       text NOT NULL DEFAULT '',
    instruction  text NOT NULL,
    due_on       date,
    given_by     text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    follow_up    text NOT NULL DEFAULT '',
    done_at      timestamptz
);
CREATE INDEX dispositions_of_letter ON dispositions (letter_id, id);
