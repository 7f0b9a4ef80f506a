import Access
import Foundation
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// The query of a request; an unknown parameter is an error, because ignoring it would answer
/// another question than the one that was asked.
struct Query {
    private let values: [String: String]

    init(_ request: Request, known: Set<String>) throws {
        var values: [String: String] = [:]
        for (name, value) in request.uri.queryParameters {
            guard values[String(name)] == nil else {
                throw APIProblem(
                    .badRequest,
                    code: "invalid_parameter",
                    detail: "The parameter '\(name)' occurs twice."
                )
            }
            guard known.contains(String(name)) else {
                throw APIProblem(
                    .badRequest,
                    code: "unknown_parameter",
                    detail: "The parameter '\(name)' is not known here."
                )
            }
            values[String(name)] = String(value)
        }
        self.values = values
    }

    subscript(name: String) -> String? { values[name] }

    func limit() throws -> Int {
        guard let text = values["limit"] else { return 50 }
        guard let limit = Int(text), (1...Limits.pageRowsMax).contains(limit) else {
            throw invalid("limit", "a whole number in 1…\(Limits.pageRowsMax)")
        }
        return limit
    }

    /// An RFC 3339 time with a zone, or nil when the parameter is absent.
    func time(_ name: String) throws -> Timestamp? {
        guard let text = values[name] else { return nil }
        guard let time = try? AdvisorWeb.time(text, name) else {
            throw invalid(name, "a time such as 2026-11-21T10:15:30Z")
        }
        return time
    }

    /// Where the last page ended: so many numbers, or nil for a first page.
    func cursor(numbers count: Int) throws -> [Int64]? {
        guard let text = values["cursor"] else { return nil }
        guard let cursor = Cursor(text), cursor.numbers.count == count else {
            throw invalid("cursor", "the next_cursor of an earlier answer")
        }
        return cursor.numbers
    }

    /// One of a closed set of values; nil when the parameter is absent.
    func value<Value: RawRepresentable & CaseIterable>(
        _ name: String,
        _ type: Value.Type
    ) throws -> Value? where Value.RawValue == String {
        guard let text = values[name] else { return nil }
        guard let value = Value(rawValue: text) else {
            throw invalid(name, "one of: \(names(type))")
        }
        return value
    }

    func suggestionCursor() throws -> (urgency: Int, latestBy: Int64, id: Int64)? {
        try cursor(numbers: 3).map { (Int(clamping: $0[0]), $0[1], $0[2]) }
    }

    func invalid(_ name: String, _ expected: String) -> APIProblem {
        APIProblem(
            .badRequest,
            code: "invalid_parameter",
            detail: "\(name) must be \(expected)."
        )
    }
}

/// Where a list goes on: the sort key of the last row, in a form nobody is tempted to build.
struct Cursor {
    let numbers: [Int64]

    init(_ numbers: [Int64]) {
        self.numbers = numbers
    }

    init(after row: SuggestionRecord) {
        self.init([Int64(row.urgency.rawValue), row.latestBy.milliseconds, row.id])
    }

    init?(_ text: String) {
        guard let data = Secret.data(base64URL: text) else { return nil }
        let parts = String(decoding: data, as: UTF8.self)
            .split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Int64($0) }
        guard numbers.count == parts.count else { return nil }
        self.init(numbers)
    }

    var text: String {
        Secret.base64URL(Data(numbers.map(String.init).joined(separator: ".").utf8))
    }
}

/// A page of a list; `Link: rel="next"` and `next_cursor` say where it goes on (RFC 8288).
func listResponse(
    _ items: [some Encodable],
    next cursor: Cursor?,
    _ request: Request
) throws -> Response {
    var headers: HTTPFields = [:]
    if let cursor, let name = HTTPField.Name("Link") {
        let others = (request.uri.query ?? "").split(separator: "&")
            .filter { !$0.hasPrefix("cursor=") }
        let query = (others.map(String.init) + ["cursor=\(cursor.text)"]).joined(separator: "&")
        headers[name] = "<\(request.uri.path)?\(query)>; rel=\"next\""
    }
    return try jsonResponse(ListDTO(items: items, nextCursor: cursor?.text), headers: headers)
}
