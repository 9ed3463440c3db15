-- +goose Up
CREATE TABLE audit_events (
    at           BIGINT NOT NULL,
    id           TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    outcome      TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    actor        TEXT   NOT NULL,
    target       TEXT   NOT NULL,
    address      TEXT   NOT NULL,
    decision_id  TEXT   NOT NULL,
    session_id   TEXT   NOT NULL,
    repositories TEXT   NOT NULL,
    event        TEXT   NOT NULL,
    PRIMARY KEY (at, id)
);

CREATE INDEX audit_events_actor ON audit_events (actor, at);
CREATE INDEX audit_events_decision ON audit_events (decision_id) WHERE decision_id <> '';
CREATE INDEX audit_events_session ON audit_events (session_id, at) WHERE session_id <> '';
