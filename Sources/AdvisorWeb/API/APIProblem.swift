import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Workshop

/// An error as `application/problem+json` (RFC 9457), with our own stable code.
struct APIProblem: HTTPResponseError {
    private struct Body: Encodable {
        var type = "about:blank"
        var title: String
        var status: Int
        var detail: String
        var code: String
        var currentVersion: Int?
        var reason: String?
        var until: String?
        var slots: [SlotDTO]?

        enum CodingKeys: String, CodingKey {
            case type, title, status, detail, code, reason, until, slots
            case currentVersion = "current_version"
        }
    }

    let status: HTTPResponse.Status
    let code: String
    let detail: String
    var currentVersion: Int?
    /// Which rule forbids a contact, and until when.
    var block: ContactBlock?
    /// Fresh offers, where a slot was taken.
    var slots: [SlotDTO]?

    init(_ status: HTTPResponse.Status, code: String, detail: String) {
        self.status = status
        self.code = code
        self.detail = detail
    }

    init(_ problem: Problem) {
        code = problem.code.rawValue
        currentVersion = problem.currentVersion
        block = problem.block
        (status, detail) = APIProblem.meaning(problem.code)
    }

    private static func meaning(_ code: ProblemCode) -> (HTTPResponse.Status, String) {
        switch code {
        case .notFound: (.notFound, "There is no such record.")
        case .staleVersion:
            (.preconditionFailed, "It has changed since you looked: read it again, then decide.")
        case .illegalTransition: (.conflict, "Its state does not allow this.")
        case .slotTaken: (.conflict, "The slot was taken; slots has fresh offers.")
        case .noSlot: (.conflict, "No slot is held, and no offer was chosen.")
        case .leasedByOther: (.conflict, "A colleague works on it.")
        case .roleMissing: (.forbidden, "This role may not do that.")
        case .contactBlocked: (.conflict, "The customer must not be contacted now; see reason.")
        case .undoTooLate: (.conflict, "It can no longer be taken back.")
        case .liveSuggestionExists: (.conflict, "The vehicle has another suggestion meanwhile.")
        case .visitExists: (.conflict, "The vehicle has a visit: move it, or merge into it.")
        case .attemptsMissing:
            (.conflict, "Final only after two attempts of the specialist's own and a message.")
        case .invalidTime:
            (.unprocessableContent, "The time is missing, past, or too far ahead.")
        case .outsideHours: (.unprocessableContent, "The workshop is closed then.")
        case .partsNotReady: (.unprocessableContent, "The parts are not there by then.")
        case .reasonMissing:
            (.unprocessableContent, "A slot outside the window needs a reason.")
        case .findingMissing:
            (.unprocessableContent, "Every alert of the visit needs exactly one finding.")
        case .followUpIncomplete:
            (
                .unprocessableContent,
                "Thanks, satisfaction with expectation, and due reminders are all needed."
            )
        case .unknownName: (.unprocessableContent, "A name in the request is not known.")
        case .overloaded, .storeUnavailable:
            (.serviceUnavailable, "Nothing was changed; try again in a moment.")
        }
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        let body = Body(
            title: status.reasonPhrase,
            status: status.code,
            detail: detail,
            code: code,
            currentVersion: currentVersion,
            reason: block?.reason.rawValue,
            until: block?.until.map { "\($0)" },
            slots: slots
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
