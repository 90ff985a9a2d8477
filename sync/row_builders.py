"""From a decoded Stripe object to its row and the rows of its children, column by column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync.mirror_rows import (
    ChargeRow,
    ChildRow,
    CustomerRow,
    InvoiceLineRow,
    InvoicePaymentRow,
    InvoiceRow,
    Kind,
    PaymentIntentRow,
    PriceRow,
    ProductRow,
    Row,
    ScheduleItemRow,
    ScheduleRow,
    SubscriptionItemRow,
    SubscriptionRow,
)
from sync.stripe_objects import (
    Charge,
    Customer,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    PaymentIntent,
    Price,
    Product,
    Schedule,
    Subscription,
    SubscriptionItem,
    ref_id,
)

Rows = tuple[Row, tuple[ChildRow, ...]]


def _customer(customer: Customer) -> Rows:
    row = CustomerRow(
        id=customer.id,
        email=customer.email,
        name=customer.name,
        balance_minor=customer.balance,
        currency=customer.currency,
        delinquent=customer.delinquent,
        default_payment_method_id=ref_id(customer.invoice_settings.default_payment_method),
        default_source_id=ref_id(customer.default_source),
        test_clock_id=ref_id(customer.test_clock),
        metadata=customer.metadata,
        created_unix=customer.created,
    )
    return row, ()


def _subscription(subscription: Subscription) -> Rows:
    items = subscription.items.data
    pending = subscription.pending_update
    row = SubscriptionRow(
        id=subscription.id,
        customer_id=subscription.customer_id,
        status=subscription.status,
        currency=subscription.currency,
        billing_mode=subscription.billing_mode.type,
        collection_method=subscription.collection_method,
        latest_invoice_id=ref_id(subscription.latest_invoice),
        schedule_id=ref_id(subscription.schedule),
        default_payment_method_id=ref_id(subscription.default_payment_method),
        pending_update_expires_unix=pending.expires_at if pending else None,
        pending_update_metadata=(pending.metadata or {}) if pending else {},
        cancel_at_unix=subscription.cancel_at,
        cancel_at_period_end=subscription.cancel_at_period_end,
        canceled_at_unix=subscription.canceled_at,
        ended_at_unix=subscription.ended_at,
        trial_end_unix=subscription.trial_end,
        period_start_unix=subscription.period_start if items else None,
        period_end_unix=subscription.period_end if items else None,
        collection_paused=subscription.pause_collection is not None,
        automatic_tax=subscription.automatic_tax.enabled,
        test_clock_id=ref_id(subscription.test_clock),
        metadata=subscription.metadata,
        created_unix=subscription.created,
    )
    children = tuple(_item(subscription.id, position, item) for position, item in enumerate(items))
    return row, children


def _item(subscription_id: str, position: int, item: SubscriptionItem) -> SubscriptionItemRow:
    recurring = item.price.recurring
    return SubscriptionItemRow(
        subscription_id=subscription_id,
        position=position,
        id=item.id,
        price_id=item.price.id,
        product_id=ref_id(item.price.product) or "",
        lookup_key=item.price.lookup_key,
        unit_amount_minor=item.price.unit_amount,
        currency=item.price.currency,
        interval=recurring.interval if recurring else None,
        interval_count=recurring.interval_count if recurring else None,
        usage_type=recurring.usage_type if recurring else None,
        quantity=item.quantity,
        period_start_unix=item.current_period_start,
        period_end_unix=item.current_period_end,
        metadata=item.metadata,
    )


def _invoice(invoice: Invoice) -> Rows:
    moments = invoice.status_transitions
    row = InvoiceRow(
        id=invoice.id,
        customer_id=ref_id(invoice.customer),
        subscription_id=invoice.subscription_id,
        status=invoice.status,
        currency=invoice.currency,
        total_minor=invoice.total,
        subtotal_minor=invoice.subtotal,
        amount_due_minor=invoice.amount_due,
        amount_paid_minor=invoice.amount_paid,
        amount_remaining_minor=invoice.amount_remaining,
        starting_balance_minor=invoice.starting_balance,
        ending_balance_minor=invoice.ending_balance,
        tax_minor=sum(tax.amount for tax in invoice.total_taxes or ()),
        discount_minor=sum(part.amount for part in invoice.total_discount_amounts or ()),
        pre_payment_credit_minor=invoice.pre_payment_credit_notes_amount,
        post_payment_credit_minor=invoice.post_payment_credit_notes_amount,
        billing_reason=invoice.billing_reason,
        number=invoice.number,
        hosted_invoice_url=invoice.hosted_invoice_url,
        next_payment_attempt_unix=invoice.next_payment_attempt,
        period_start_unix=invoice.period_start,
        period_end_unix=invoice.period_end,
        finalized_at_unix=moments.finalized_at,
        paid_at_unix=moments.paid_at,
        voided_at_unix=moments.voided_at,
        marked_uncollectible_at_unix=moments.marked_uncollectible_at,
        created_unix=invoice.created,
    )
    lines = enumerate(invoice.lines.data)
    return row, tuple(_line(invoice.id, position, line) for position, line in lines)


def _line(invoice_id: str, position: int, line: InvoiceLine) -> InvoiceLineRow:
    return InvoiceLineRow(
        invoice_id=invoice_id,
        position=position,
        id=line.id,
        amount_minor=line.amount,
        currency=line.currency,
        description=line.description,
        quantity=line.quantity,
        period_start_unix=line.period.start,
        period_end_unix=line.period.end,
        proration=line.proration,
        price_id=line.price_id,
        subscription_item_id=line.subscription_item_id,
        tax_minor=sum(tax.amount for tax in line.taxes or ()),
        discount_minor=sum(part.amount for part in line.discount_amounts or ()),
    )


def _price(price: Price) -> Rows:
    recurring = price.recurring
    row = PriceRow(
        id=price.id,
        product_id=ref_id(price.product) or "",
        currency=price.currency,
        active=price.active,
        unit_amount_minor=price.unit_amount,
        lookup_key=price.lookup_key,
        interval=recurring.interval if recurring else None,
        interval_count=recurring.interval_count if recurring else None,
        usage_type=recurring.usage_type if recurring else None,
        billing_scheme=price.billing_scheme,
        metadata=price.metadata,
        created_unix=price.created,
    )
    return row, ()


def _product(product: Product) -> Rows:
    row = ProductRow(
        id=product.id,
        name=product.name,
        active=product.active,
        metadata=product.metadata,
        created_unix=product.created,
    )
    return row, ()


def _charge(charge: Charge) -> Rows:
    row = ChargeRow(
        id=charge.id,
        customer_id=ref_id(charge.customer),
        payment_intent_id=ref_id(charge.payment_intent),
        status=charge.status,
        currency=charge.currency,
        amount_minor=charge.amount,
        captured=charge.captured,
        amount_captured_minor=charge.amount_captured,
        amount_refunded_minor=charge.amount_refunded,
        disputed=charge.disputed,
        failure_code=charge.failure_code,
        balance_transaction_id=ref_id(charge.balance_transaction),
        created_unix=charge.created,
    )
    return row, ()


def _payment_intent(intent: PaymentIntent) -> Rows:
    error = intent.last_payment_error
    row = PaymentIntentRow(
        id=intent.id,
        customer_id=ref_id(intent.customer),
        invoice_id=intent.invoice_id,
        status=intent.status,
        currency=intent.currency,
        amount_minor=intent.amount,
        last_error_code=(error.code or "unknown") if error else None,
        last_decline_code=error.decline_code if error else None,
        created_unix=intent.created,
    )
    return row, ()


def _invoice_payment(payment: InvoicePayment) -> Rows:
    row = InvoicePaymentRow(
        id=payment.id,
        invoice_id=ref_id(payment.invoice) or "",
        payment_intent_id=ref_id(payment.payment.payment_intent),
        charge_id=ref_id(payment.payment.charge),
        status=payment.status,
        currency=payment.currency,
        amount_requested_minor=payment.amount_requested,
        amount_paid_minor=payment.amount_paid,
        created_unix=payment.created,
    )
    return row, ()


def _schedule(schedule: Schedule) -> Rows:
    current = schedule.current_phase
    row = ScheduleRow(
        id=schedule.id,
        customer_id=ref_id(schedule.customer),
        status=schedule.status,
        subscription_id=ref_id(schedule.subscription),
        released_subscription_id=ref_id(schedule.released_subscription),
        current_phase_start_unix=current.start_date if current else None,
        current_phase_end_unix=current.end_date if current else None,
        end_behavior=schedule.end_behavior,
        test_clock_id=ref_id(schedule.test_clock),
        metadata=schedule.metadata,
        created_unix=schedule.created,
    )
    items = [(number, phase, item) for number, phase in enumerate(schedule.phases) for item in phase.items]
    children = tuple(
        ScheduleItemRow(
            schedule_id=schedule.id,
            position=position,
            phase=number,
            phase_start_unix=phase.start_date,
            phase_end_unix=phase.end_date,
            price_id=ref_id(item.price) or "",
            quantity=item.quantity,
        )
        for position, (number, phase, item) in enumerate(items)
    )
    return row, children


BUILDERS: dict[Kind, Callable[[Any], Rows]] = {
    Kind.CUSTOMER: _customer,
    Kind.SUBSCRIPTION: _subscription,
    Kind.INVOICE: _invoice,
    Kind.PRICE: _price,
    Kind.PRODUCT: _product,
    Kind.CHARGE: _charge,
    Kind.PAYMENT_INTENT: _payment_intent,
    Kind.INVOICE_PAYMENT: _invoice_payment,
    Kind.SCHEDULE: _schedule,
}
