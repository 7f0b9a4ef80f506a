import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird

/// An error as `application/problem+json` (RFC 9457), with our own stable code.
struct APIProblem: HTTPResponseError {
    private struct Body: Encodable {
        var type = "about:blank"
        var title: String
        var status: Int
        var detail: String
        var code: String
        var currentVersion: Int?

        enum CodingKeys: String, CodingKey {
            case type, title, status, detail, code
            case currentVersion = "current_version"
        }
    }

    let status: HTTPResponse.Status
    let code: String
    let detail: String
    var currentVersion: Int?

    init(_ status: HTTPResponse.Status, code: String, detail: String) {
        self.status = status
        self.code = code
        self.detail = detail
    }

    init(_ problem: Problem) {
        code = problem.code.rawValue
        currentVersion = problem.currentVersion
        switch problem.code {
        case .notFound:
            status = .notFound
            detail = "There is no such suggestion."
        case .staleVersion:
            status = .preconditionFailed
            detail = "It has changed since you looked: read it again, then decide."
        case .illegalTransition:
            status = .conflict
            detail = "It is settled already."
        case .slotTaken:
            status = .conflict
            detail = "The slot was taken: read the suggestion again for fresh offers."
        case .noSlot:
            status = .conflict
            detail = "No slot is held, and no offer was chosen."
        case .overloaded, .storeUnavailable:
            status = .serviceUnavailable
            detail = "Nothing was changed; try again in a moment."
        }
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        let body = Body(
            title: status.reasonPhrase,
            status: status.code,
            detail: detail,
            code: code,
            currentVersion: currentVersion
        )
        return try jsonResponse(body, status: status, type: "application/problem+json")
    }
}

/// A value as JSON, keys sorted so that answers can be compared.
func jsonResponse(
    _ value: some Encodable,
    status: HTTPResponse.Status = .ok,
    type: String = "application/json",
    headers: HTTPFields = [:]
) throws -> Response {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var headers = headers
    headers[.contentType] = type
    return Response(
        status: status,
        headers: headers,
        body: ResponseBody(byteBuffer: ByteBuffer(bytes: try encoder.encode(value)))
    )
}
