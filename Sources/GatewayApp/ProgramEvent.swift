package import Foundation
package import GatewayCore
import Store
package import Telemetry

/// What a program is told of a row of the history: numbers, and never persons.
///
/// Who wants to know more asks the API with a token.
package struct ProgramEvent: Sendable {
    /// Before each type.
    ///
    /// Names below `.internal` are kept for private use (ICANN, 2024): this one needs no owner, and
    /// no organisation's own types can begin so.
    private static let typePrefix = "internal.telematics-gateway."
    /// Of the row's hash in an event's id, in characters: 64 bits.
    private static let hashPrefix = 16

    /// The row's number; also `webhook-id`.
    package var id: Int64
    package var machine: String
    package var event: String
    package var at: Timestamp
    package var record: Int64
    package var state: String
    /// Of the row and all before it, hexadecimal.
    package var hash: String

    package init(
        id: Int64,
        machine: String,
        event: String,
        at: Timestamp,
        record: Int64,
        state: String,
        hash: String
    ) {
        self.id = id
        self.machine = machine
        self.event = event
        self.at = at
        self.record = record
        self.state = state
        self.hash = hash
    }

    init(_ row: AuditRecord) {
        self.init(
            id: row.id,
            machine: row.machine,
            event: row.event,
            at: row.at,
            record: row.record,
            state: row.to,
            hash: row.hash
        )
    }

    /// Where it is published: by what it happened to, so that a program can ask for alerts only.
    package func topic(of vehicle: String) -> String {
        "vehicles/\(vehicle)/events/\(machine)"
    }

    /// The bytes that are sent: the same whenever the event is told again.
    ///
    /// `source` names this gateway in a CloudEvent.
    package func body(as format: EventFormat, source: String) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data = Body(
            id: id,
            type: "\(machine).\(event)",
            at: "\(at)",
            record: record,
            state: state
        )
        switch format {
        case .gateway: return try encoder.encode(data)
        case .cloudEvents:
            return try encoder.encode(
                CloudEvent(
                    // A store restored from a backup gives numbers out again; the hash tells what
                    // happened since from what had happened before.
                    id: "\(id)-\(hash.prefix(ProgramEvent.hashPrefix))",
                    source: source,
                    type: ProgramEvent.typePrefix + data.type,
                    subject: "\(machine)/\(record)",
                    time: data.at,
                    data: data
                )
            )
        }
    }

    /// The gateway's own form.
    private struct Body: Encodable {
        var id: Int64
        var type: String
        var at: String
        var record: Int64
        var state: String
    }

    /// CloudEvents 1.0 in the JSON format; without `dataschema`, as the gateway does not know the
    /// address under which others reach its own description.
    private struct CloudEvent: Encodable {
        let specversion = "1.0"
        var id: String
        var source: String
        var type: String
        var subject: String
        var time: String
        let datacontenttype = "application/json"
        var data: Body
    }
}

extension EventFormat {
    /// The `Content-Type` of a body.
    package var contentType: String {
        switch self {
        case .gateway: "application/json"
        case .cloudEvents: "application/cloudevents+json; charset=utf-8"
        }
    }
}
