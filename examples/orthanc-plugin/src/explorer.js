// A button on the page of an instance: asks for the analysis, waits for it, and shows the overlay.
$('#instance').live('pagebeforecreate', function () {
  var button = $('<a>').attr('data-role', 'button').attr('href', '#').attr('data-icon', 'search')
    .attr('data-theme', 'e').attr('id', 'covmap-button').text('Opacity map (covmap)');
  button.insertBefore($('#instance-delete').parent().parent());
  button.click(function () {
    var instance = $.mobile.pageData ? $.mobile.pageData.uuid : null;
    if (!instance) {
      return;
    }
    var base = '../instances/' + instance + '/covmap';
    function show(tries) {
      $.ajax({
        url: base,
        dataType: 'json',
        cache: false,
        complete: function (request) {
          if (request.status === 200) {
            window.open(base + '/overlay');
          } else if (request.status === 422) {
            alert('covmap: ' + JSON.parse(request.responseText).reason);
          } else if (tries === 0) {
            alert('covmap: no result yet, try again later');
          } else {
            window.setTimeout(function () { show(tries - 1); }, 500);
          }
        }
      });
    }
    $.ajax({
      type: 'POST',
      url: '../covmap/analyze',
      data: JSON.stringify({ Resources: [instance] }),
      contentType: 'application/json',
      success: function () { show(60); },
      error: function (request) { alert('covmap: ' + request.responseText); }
    });
  });
});
