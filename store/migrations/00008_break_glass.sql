-- +goose Up
CREATE TABLE break_glass (
    number     BIGINT PRIMARY KEY,
    id         TEXT   NOT NULL UNIQUE,
    hash       TEXT   NOT NULL,
    armed_at   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    armed_by   TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    ended_at   BIGINT NOT NULL,
    ended_by   TEXT   NOT NULL
);
