// Requests that only ever make an account smaller: close, close by, cancel.
#ifndef TIDEGATE_TRADE
#define TIDEGATE_TRADE

#include "Report.mqh"

#define RETCODE_DONE 10009
#define RETCODE_ERROR 10011
#define RETCODE_INVALID 10013
#define RETCODE_NO_CHANGES 10025
#define RETCODE_INVALID_FILL 10030
#define RETCODE_CONNECTION 10031
#define RETCODE_POSITION_CLOSED 10036

// What came of a request; with a local answer nothing was sent to the broker.
struct Outcome
  {
   long              retcode;
   ulong             deal;
   ulong             order;
   double            volume;
   double            price;
   string            comment;
  };

void Answer(Outcome &outcome, const long retcode, const string comment)
  {
   outcome.retcode = retcode;
   outcome.deal = 0;
   outcome.order = 0;
   outcome.volume = 0.0;
   outcome.price = 0.0;
   outcome.comment = comment;
  }

// Whether a position of this identifier is held; it is selected then.
bool SelectPosition(const long identifier)
  {
   for(int i = PositionsTotal() - 1; i >= 0; i--)
      if(PositionGetTicket(i) != 0 && PositionGetInteger(POSITION_IDENTIFIER) == identifier)
         return true;
   return false;
  }

void SendRequest(MqlTradeRequest &request, Outcome &outcome)
  {
   MqlTradeResult result;
   ZeroMemory(result);
   ResetLastError();
   bool sent = OrderSend(request, result);
   outcome.retcode = (long)result.retcode;
   outcome.deal = result.deal;
   outcome.order = result.order;
   outcome.volume = result.volume;
   outcome.price = result.price;
   outcome.comment = StringSubstr(result.comment, 0, 100);
   if(outcome.retcode == 0)
     {
      // Whether it left this machine is not known.
      outcome.retcode = RETCODE_ERROR;
      outcome.comment = "error " + IntegerToString(GetLastError()) + (sent ? "" : ", not sent");
     }
  }

// Filling modes to try for a market close, the best first: what the symbol allows, then RETURN.
int FillingsOf(const string symbol, ENUM_ORDER_TYPE_FILLING &fillings[])
  {
   long allowed = SymbolInfoInteger(symbol, SYMBOL_FILLING_MODE);
   ArrayResize(fillings, 3);
   int count = 0;
   if((allowed & SYMBOL_FILLING_IOC) != 0)
     {
      fillings[count] = ORDER_FILLING_IOC;
      count++;
     }
   if((allowed & SYMBOL_FILLING_FOK) != 0)
     {
      fillings[count] = ORDER_FILLING_FOK;
      count++;
     }
   fillings[count] = ORDER_FILLING_RETURN;
   return count + 1;
  }

// Closes the position or a part of it. The request always names it: without that a hedging account
// would open the opposite side. It never asks for more than is held: a netting account would turn
// around. A refused filling mode is proof that nothing happened, so the next is tried at once.
void ClosePosition(const long identifier, const double volume, const int deviation,
                   const long magic, const string comment, Outcome &outcome)
  {
   if(!SelectPosition(identifier))
     {
      Answer(outcome, RETCODE_POSITION_CLOSED, "not held");
      return;
     }
   MqlTradeRequest request;
   ZeroMemory(request);
   double held = PositionGetDouble(POSITION_VOLUME);
   bool is_buy = PositionGetInteger(POSITION_TYPE) == POSITION_TYPE_BUY;
   request.action = TRADE_ACTION_DEAL;
   request.position = (ulong)PositionGetInteger(POSITION_TICKET);
   request.symbol = PositionGetString(POSITION_SYMBOL);
   request.volume = volume > 0.0 && volume < held ? volume : held;
   request.type = is_buy ? ORDER_TYPE_SELL : ORDER_TYPE_BUY;
   request.deviation = (ulong)deviation;
   request.magic = (ulong)magic;
   request.comment = StringSubstr(comment, 0, 31);
   ENUM_ORDER_TYPE_FILLING fillings[];
   int count = FillingsOf(request.symbol, fillings);
   for(int i = 0; i < count; i++)
     {
      MqlTick tick;
      if(!SymbolInfoTick(request.symbol, tick))
        {
         Answer(outcome, 10021, "no quote");
         return;
        }
      request.price = is_buy ? tick.bid : tick.ask;
      request.type_filling = fillings[i];
      SendRequest(request, outcome);
      if(outcome.retcode != RETCODE_INVALID_FILL)
         return;
     }
  }

void CloseBy(const long identifier, const long opposite, const long magic, const string comment,
             Outcome &outcome)
  {
   MqlTradeRequest request;
   ZeroMemory(request);
   if(!SelectPosition(opposite))
     {
      Answer(outcome, RETCODE_POSITION_CLOSED, "the opposite is not held");
      return;
     }
   request.position_by = (ulong)PositionGetInteger(POSITION_TICKET);
   if(!SelectPosition(identifier))
     {
      Answer(outcome, RETCODE_POSITION_CLOSED, "not held");
      return;
     }
   request.action = TRADE_ACTION_CLOSE_BY;
   request.position = (ulong)PositionGetInteger(POSITION_TICKET);
   request.symbol = PositionGetString(POSITION_SYMBOL);
   request.magic = (ulong)magic;
   request.comment = StringSubstr(comment, 0, 31);
   SendRequest(request, outcome);
  }

void CancelOrder(const ulong ticket, Outcome &outcome)
  {
   if(!OrderSelect(ticket))
     {
      Answer(outcome, RETCODE_NO_CHANGES, "no such order rests");
      return;
     }
   MqlTradeRequest request;
   ZeroMemory(request);
   request.action = TRADE_ACTION_REMOVE;
   request.order = ticket;
   SendRequest(request, outcome);
  }

#endif
