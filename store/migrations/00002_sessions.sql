-- +goose Up
CREATE TABLE sessions (
    id                 TEXT   PRIMARY KEY,
    token_hash         TEXT   NOT NULL,
    current_hash       TEXT   NOT NULL,
    previous_hash      TEXT   NOT NULL,
    rotated_at         BIGINT NOT NULL,
    rotating           BIGINT NOT NULL,
    subject            TEXT   NOT NULL,
    person             TEXT   NOT NULL,
    service            TEXT   NOT NULL,
    client_id          TEXT   NOT NULL,
    method             TEXT   NOT NULL,
    created_at         BIGINT NOT NULL,
    last_used_at       BIGINT NOT NULL,
    expires_at         BIGINT NOT NULL,
    address            TEXT   NOT NULL,
    user_agent         TEXT   NOT NULL,
    last_address       TEXT   NOT NULL,
    last_client_id     TEXT   NOT NULL,
    credential_version TEXT   NOT NULL,
    revoked_at         BIGINT NOT NULL,
    revoked_reason     TEXT   NOT NULL,
    revoked_by         TEXT   NOT NULL
);

CREATE UNIQUE INDEX sessions_token_hash ON sessions (token_hash);
CREATE INDEX sessions_subject ON sessions (subject, service);
CREATE INDEX sessions_expires_at ON sessions (expires_at, revoked_at);
