-- +goose Up
CREATE TABLE keys (
    kid        TEXT   PRIMARY KEY,
    service    TEXT   NOT NULL, -- of a static key; '' for a leaf
    algorithm  TEXT   NOT NULL,
    public     TEXT   NOT NULL, -- JWK
    replica    TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    not_before BIGINT NOT NULL,
    not_after  BIGINT NOT NULL,
    until      BIGINT NOT NULL, -- the end of its last token
    revoked_at BIGINT NOT NULL,
    seals      TEXT   NOT NULL, -- JSON
    version    BIGINT NOT NULL
);
-- Two replicas cannot both make the key of a service.
CREATE UNIQUE INDEX keys_static ON keys (service, algorithm, state)
    WHERE service <> '' AND state IN ('next', 'signing');
