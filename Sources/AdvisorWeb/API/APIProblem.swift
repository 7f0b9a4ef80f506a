import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Logging
import Telemetry
import Workshop

/// An error as `application/problem+json` (RFC 9457), with our own stable code.
struct APIProblem: HTTPResponseError {
    private struct Body: Encodable {
        let problem: APIProblem
        let instance: String

        enum CodingKeys: String, CodingKey {
            case type, title, status, detail, instance, code, current, reason, until, slots
            case currentVersion = "current_version"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode("about:blank", forKey: .type)
            try container.encode(problem.status.reasonPhrase, forKey: .title)
            try container.encode(problem.status.code, forKey: .status)
            try container.encode(problem.detail, forKey: .detail)
            try container.encode(instance, forKey: .instance)
            try container.encode(problem.code, forKey: .code)
            try container.encodeIfPresent(problem.currentVersion, forKey: .currentVersion)
            try container.encodeIfPresent(problem.block?.reason.rawValue, forKey: .reason)
            try container.encodeIfPresent(problem.block?.until.map { "\($0)" }, forKey: .until)
            try container.encodeIfPresent(problem.slots, forKey: .slots)
            try problem.current?.encode(to: container.superEncoder(forKey: .current))
        }
    }

    let status: HTTPResponse.Status
    let code: String
    let detail: String
    var headers: HTTPFields = [:]
    var currentVersion: Int?
    /// The record as it is now, for whoever named an older version.
    var current: (any Encodable & Sendable)?
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
        case .holdExpired: (.conflict, "The hold is over or was used; take another.")
        case .tooManyHolds:
            (.conflict, "You keep \(Limits.deskHoldsMax) slots free already; give one up.")
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

    /// What the framework itself refuses, in our words.
    private init(_ error: HTTPError) {
        switch error.status {
        case .notFound:
            self.init(.notFound, code: "not_found", detail: "There is nothing at this path.")
        default:
            self.init(
                error.status,
                code: "invalid_request",
                detail: error.body ?? "The request cannot be read."
            )
        }
    }

    /// The answer to an error; what we did not expect is logged and tells nothing of the inside.
    static func response(
        to error: any Error,
        _ request: Request,
        _ context: WebContext
    ) throws -> Response {
        switch error {
        case let problem as APIProblem:
            return try problem.response(from: request, context: context)
        case let known as HTTPError:
            return try APIProblem(known).response(from: request, context: context)
        default:
            context.logger.error(
                "a request failed",
                metadata: ["error": "\(error)", "path": "\(request.uri.path)"]
            )
            return try APIProblem(
                .internalServerError,
                code: "internal",
                detail: "This is a fault of ours; the log has it under this instance."
            ).response(from: request, context: context)
        }
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        try jsonResponse(
            Body(problem: self, instance: "urn:request:\(context.id)"),
            status: status,
            type: "application/problem+json",
            headers: headers
        )
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
