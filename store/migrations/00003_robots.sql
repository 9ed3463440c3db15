-- +goose Up
CREATE TABLE robots (
    name        TEXT   PRIMARY KEY,
    owner       TEXT   NOT NULL,
    description TEXT   NOT NULL,
    cidrs       TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL,
    expires_at  BIGINT NOT NULL,
    disabled    BIGINT NOT NULL,
    revision    BIGINT NOT NULL
);

CREATE TABLE robot_secrets (
    id           TEXT   PRIMARY KEY,
    robot        TEXT   NOT NULL REFERENCES robots (name) ON DELETE CASCADE,
    hash         TEXT   NOT NULL UNIQUE,
    revision     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    last_address TEXT   NOT NULL
);
CREATE INDEX robot_secrets_robot ON robot_secrets (robot);
