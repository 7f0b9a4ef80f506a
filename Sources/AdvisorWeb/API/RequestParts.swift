import Access
import Decoding
import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Telemetry

/// A version as a strong entity tag: `"v3"`.
func tag(_ version: Int) -> String { "\"v\(version)\"" }

let versionMissing = APIProblem(
    .preconditionRequired,
    code: "version_missing",
    detail: "Send If-Match with the ETag of the record, such as \"v3\"."
)

/// `If-Match: "v3"`: a change names the version it saw.
func version(of request: Request) throws -> Int {
    guard let tag = request.headers[.ifMatch] else { throw versionMissing }
    guard tag.hasPrefix("\"v"), tag.hasSuffix("\""), tag.count > 3,
        let version = Int(tag.dropFirst(2).dropLast())
    else { throw invalid("If-Match", "an ETag such as \"v3\"") }
    return version
}

/// The number in a path.
func id(_ context: WebContext) throws -> Int64 {
    guard let id = context.parameters.get("id", as: Int64.self) else {
        throw APIProblem(Problem(.notFound))
    }
    return id
}

extension Request {
    /// The body, which stays with the request for whoever asks next.
    mutating func boundedBody() async throws -> ByteBuffer {
        do {
            return try await collectBody(upTo: Limits.requestBodyBytesMax)
        } catch {
            // Too many bytes, or a connection that ended: then nobody reads the answer.
            throw APIProblem(
                .contentTooLarge,
                code: "body_too_large",
                detail: "A body may have \(Limits.requestBodyBytesMax) bytes."
            )
        }
    }
}

/// A request's body; an empty one stands for `standard`, where that is given.
func decode<Body: Decodable>(
    _ type: Body.Type,
    _ request: Request,
    whenEmpty standard: Body?
) async throws -> Body {
    var request = request
    let buffer = try await request.boundedBody()
    if buffer.readableBytes == 0, let standard { return standard }
    do {
        return try JSONDecoder().decode(type, from: Data(buffer.readableBytesView))
    } catch {
        throw invalid("body", "a JSON object with the fields the documentation names")
    }
}

func invalid(_ name: String, _ expected: String) -> APIProblem {
    APIProblem(
        .unprocessableContent,
        code: "invalid_value",
        detail: "\(name) must be \(expected)."
    )
}

/// What an advisor wrote, bounded, and without the NUL at which SQLite's text would end.
func noteText(_ text: String?) -> String {
    String((text ?? "").replacing("\0", with: "").prefix(500))
}

/// All names of a closed set of values, for an error that says what would be right.
func names<Value: RawRepresentable & CaseIterable>(_ type: Value.Type) -> String
where Value.RawValue == String {
    Value.allCases.map(\.rawValue).joined(separator: ", ")
}

/// A name of a closed set of values.
func value<Value: RawRepresentable & CaseIterable>(
    _ text: String,
    _ name: String,
    _ type: Value.Type
) throws -> Value where Value.RawValue == String {
    guard let value = Value(rawValue: text) else {
        throw invalid(name, "one of: \(names(Value.self))")
    }
    return value
}

/// An RFC 3339 time with a zone; nil for none.
func time(_ text: String?, _ name: String) throws -> Timestamp? {
    guard let text else { return nil }
    let bytes = Array(text.utf8)
    var decoder = TimestampDecoder()
    guard let time = decoder.decode(bytes.span, from: 0, to: bytes.count) else {
        throw invalid(name, "a time such as 2026-11-21T10:15:30Z")
    }
    return time
}
