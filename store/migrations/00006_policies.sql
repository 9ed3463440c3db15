-- +goose Up
CREATE TABLE policies (
    number      BIGINT PRIMARY KEY,
    text        TEXT   NOT NULL,
    author      TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    rollback_of BIGINT NOT NULL
);
